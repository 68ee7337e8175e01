"""The SMS connector: submits texts to an operator's SMSC over SMPP 3.4, and publishes outcomes and receipts."""
