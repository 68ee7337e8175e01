"""Nameko services at notification's edge. They import no gRPC and no store."""
