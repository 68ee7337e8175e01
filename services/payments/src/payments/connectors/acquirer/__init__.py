"""The acquirer connector: charges cards through an acquirer's HTTP API, and takes its signed callbacks."""
