"""`python -m ecgcli` is `ecg`."""

from ecgcli.cli import main

main()
