"""AnnotatedRecording: what a model says of every beat of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class AnnotatedRecording:
    """A recording whose beats are found and classified.

    Attributes:
        name: name of the recording ("100").
        rate: its samples per second, in Hz.
        samples: its length.
        leads: names of its leads.
        read_leads: which of them the model has read, as indices.
        classes: names of the model's classes.
        sample: (n,) R positions in samples of the recording, strictly ascending.
        probability: (n, classes) calibrated probabilities.
        called: (n,) the class that each beat is given, an index into `classes`.
        review: (n,) whether a person should look at the beat, as the model is too unsure of it.
        unreadable: (m, 2) first and one past the last sample of the stretches in which nothing can be read,
            ascending and apart; no beat lies in one.
        notes: what a reader of the annotations should know.
    """

    name: str
    rate: float
    samples: int
    leads: tuple[str, ...]
    read_leads: tuple[int, ...]
    classes: tuple[str, ...]
    sample: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    called: npt.NDArray[np.int64]
    review: npt.NDArray[np.bool_]
    unreadable: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """(n,) when the beats are, in seconds from the start."""
        return self.sample / self.rate

    @property
    def names(self) -> npt.NDArray[np.str_]:
        """(n,) the class that each beat is given, by name."""
        return np.array(self.classes)[self.called] if len(self) else np.empty(0, "U1")

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """(n,) probability of the class that each beat is given."""
        return self.probability[np.arange(len(self)), self.called]

    @cached_property
    def rr(self) -> npt.NDArray[np.float64]:
        """(max(n − 1, 0),) seconds from each beat to the next; NaN where the two are apart.

        Two beats are apart where an unreadable stretch lies between them: whether there were beats in it is
        not known.
        """
        between = np.searchsorted(self.unreadable[:, 0], self.sample) if len(self) else np.empty(0, np.int64)
        interval = np.diff(self.sample) / self.rate
        return np.where(np.diff(between) == 0, interval, np.nan)

    @property
    def readable_seconds(self) -> float:
        """How much of the recording can be read, in seconds."""
        return float(self.samples - (self.unreadable[:, 1] - self.unreadable[:, 0]).sum()) / self.rate
