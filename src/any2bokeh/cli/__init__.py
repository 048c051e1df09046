"""Options in, settings out: the `bokeh` command."""
