"""`python -m ecgcli` is `ecg`."""

from ecgcli.cli import main

if __name__ == "__main__":  # processes that cut beats import this module too
    main()
