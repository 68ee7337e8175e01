from chassis.testing import store_name, store_uri

__all__ = ["store_name", "store_uri"]
