"""Where the work is done: this process, its children or a dask cluster."""
