"""Learning: networks, sampling, training, and the model that is saved and applied."""
