"""What every room uses: files written whole or not at all, caches, checks of values, progress, provenance."""
