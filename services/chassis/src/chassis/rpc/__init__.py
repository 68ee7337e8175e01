"""RPCs: the call in hand in `current`, the server in `server`, clients of other services in `client`."""
