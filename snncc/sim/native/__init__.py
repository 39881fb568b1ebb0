"""The native engine: integer networks in C++, with the portable engine's integers."""
