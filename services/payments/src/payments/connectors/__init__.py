"""Nameko services at payments' edge. They import no gRPC and no store."""
