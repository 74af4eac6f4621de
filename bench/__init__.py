"""What Flotilla costs and how fast it is, measured beside other ways on the same machine: `python -m bench --help`."""
