"""Everything that needs weights. Importing this package costs nothing."""
