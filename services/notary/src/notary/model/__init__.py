"""The rules of powers of attorney: pure, standard library alone; time, ids and codes are passed in."""
