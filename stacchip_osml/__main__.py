"""``python -m stacchip_osml``: the command line, where no script is installed."""

from stacchip_osml.app.cli import main

if __name__ == "__main__":
    main()
