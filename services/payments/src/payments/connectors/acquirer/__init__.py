"""The acquirer connector: charges cards through an acquirer's HTTP API, and receives its signed callbacks."""
