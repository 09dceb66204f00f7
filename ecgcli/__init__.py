"""ecgcli: train, trust and apply heartbeat classifiers from the command line."""

__version__ = "0.1.0"
