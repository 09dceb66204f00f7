"""Augmentation: what each kind does to beats, what it must leave alone, and the same twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecgcli.choices.augment import Augment
from ecgcli.learning.augment import augment, augmented, mix
from tests.conftest import train_config

RATE = 120.0
KINDS = ("scaling", "shift", "noise", "wander", "lead_dropout", "jitter", "mixup", "stretch")


def standard(**strengths: float) -> Augment:
    return Augment(name="standard", **{**dict.fromkeys(KINDS, 0.0), **strengths})


def beats(count: int = 400, leads: int = 2, time: int = 90, padding: int = 0, seed: int = 0) -> Tensor:
    """Rough beats of different amplitude in each lead, followed by zeros."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(count, leads, time)).cumsum(-1) * rng.uniform(0.2, 3, (count, leads, 1))
    signal[..., time - padding :] = 0
    return torch.from_numpy(signal.astype(np.float32))


def spread(signal: Tensor) -> Tensor:
    return signal.std(-1, correction=0, keepdim=True)


@pytest.mark.parametrize("choice", [train_config().augment, standard()])
def test_without_augmentation_the_very_tensors_come_back_and_nothing_is_drawn(choice: Augment) -> None:
    signal, features, label = beats(8), torch.ones(8, 3), torch.arange(8)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    changed = augmented(signal, features, label, choice, RATE, 2)
    assert changed.signal is signal and changed.features is features
    assert len(changed.targets) == 1
    assert changed.targets[0][0] is label and changed.targets[0][1] == 1
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_beats_and_repeats_itself_from_the_seed(kind: str) -> None:
    signal, features, label = beats(), torch.randn(400, 2), torch.arange(400)
    given_signal = signal.clone()
    choice = standard(**{kind: 0.1})
    draws = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        draws.append(augmented(signal, features, label, choice, RATE, 2))
    assert torch.equal(draws[0].signal, draws[1].signal)
    assert torch.equal(draws[0].features, draws[1].features)
    assert not torch.equal(draws[0].signal, draws[2].signal)
    assert not torch.equal(draws[0].signal, signal)
    assert torch.equal(signal, given_signal), "the table's beats stay what they are"
    assert torch.isfinite(draws[0].signal).all()


def test_scaling_is_one_lognormal_factor_a_beat() -> None:
    signal = beats(4000)
    factor = augment(signal, standard(scaling=0.3), RATE, 2) / signal
    assert torch.allclose(factor, factor[:, :1, :1].expand_as(factor), rtol=1e-4)
    logarithm = factor[:, 0, 0].log()
    assert abs(logarithm.mean()) < 0.02 and logarithm.std() == pytest.approx(0.3, rel=0.05)


def test_shift_is_one_offset_a_beat_and_lead_in_spreads_of_the_lead() -> None:
    signal = beats(4000)
    offset = (augment(signal, standard(shift=0.5), RATE, 2) - signal) / spread(signal)
    assert torch.allclose(offset, offset[..., :1].expand_as(offset), atol=1e-3)
    assert offset[..., 0].std(0).tolist() == pytest.approx([0.5, 0.5], rel=0.05)
    assert abs(np.corrcoef(offset[..., 0].T)[0, 1]) < 0.05, "the leads move on their own"


def test_noise_is_white_and_in_spreads_of_the_lead() -> None:
    signal = beats(2000)
    noise = ((augment(signal, standard(noise=0.2), RATE, 2) - signal) / spread(signal)).numpy()
    assert noise.std((0, 2)) == pytest.approx([0.2, 0.2], rel=0.02)
    assert abs(np.corrcoef(noise[..., 1:].ravel(), noise[..., :-1].ravel())[0, 1]) < 0.02


def test_wander_is_a_slow_sine_of_the_given_amplitude() -> None:
    signal = beats(50, time=12_000)  # 100 s, so that its rate shows
    wander = ((augment(signal, standard(wander=0.3), RATE, 2) - signal) / spread(signal)).numpy()
    assert np.abs(wander).max(-1) == pytest.approx(0.3, rel=0.02)
    power = np.abs(np.fft.rfft(wander)) ** 2
    hertz = np.fft.rfftfreq(12_000, 1 / RATE)[power.argmax(-1)]
    assert (hertz >= 0.09).all() and (hertz <= 0.51).all() and hertz.std() > 0.05
    assert np.abs(hertz[:, 0] - hertz[:, 1]).max() < 0.011, "breathing is one for all leads"


def test_lead_dropout_leaves_one_lead_that_has_a_signal() -> None:
    signal = beats(4000, leads=3)
    signal[:2000, 2] = 0  # a lead that is off
    off = (augment(signal, standard(lead_dropout=0.6), RATE, 3) == 0).all(-1)
    assert not off[:2000, :2].all(1).any()
    # all three are drawn in 0.6³ of the cases, of which one lead comes back
    assert off[2000:].float().mean() == pytest.approx(0.6 - 0.6**3 / 3, abs=0.02)
    one = beats(50, leads=1)
    assert augment(one, standard(lead_dropout=0.9), RATE, 1) is one


@pytest.mark.parametrize("padding", [0, 30])
def test_jitter_moves_the_beat_by_whole_samples_and_repeats_its_edges(padding: int) -> None:
    signal = beats(3000, padding=padding)
    length = 90 - padding
    moved = augment(signal, standard(jitter=0.02), RATE, 2)
    steps = []
    for before, after in zip(signal.numpy(), moved.numpy(), strict=True):
        for step in sorted(range(-12, 13), key=abs):
            at = np.clip(np.arange(length) + step, 0, length - 1)
            if np.array_equal(after[:, :length], before[:, at]):  # the same in both leads
                steps.append(step)
                break
    assert len(steps) == 3000
    assert np.std(steps) == pytest.approx(np.hypot(0.02 * RATE, 12**-0.5), rel=0.05)  # rounding adds 1/12


@pytest.mark.promise
@settings(max_examples=60, deadline=None)
@given(
    padding=st.integers(0, 89),
    seed=st.integers(0, 2**31),
    strengths=st.fixed_dictionaries(
        {
            "scaling": st.sampled_from([0.0, 0.5]),
            "shift": st.sampled_from([0.0, 1.0]),
            "noise": st.sampled_from([0.0, 1.0]),
            "wander": st.sampled_from([0.0, 1.0]),
            "jitter": st.sampled_from([0.0, 0.1]),
        }
    ),
)
def test_padding_stays_exactly_zero_and_as_long_as_it_was(
    padding: int, seed: int, strengths: dict[str, float]
) -> None:
    """In Kaggle beats the length of the padding is the RR interval."""
    signal = beats(20, leads=1, padding=padding, seed=seed % 1000)
    signal[3] = 0  # a flat line is all padding
    torch.manual_seed(seed)
    changed = augment(signal, standard(**strengths), RATE, 1)
    assert torch.equal(changed[..., 90 - padding :], torch.zeros(20, 1, padding))
    assert torch.equal(changed[3], signal[3])
    rest = torch.arange(20) != 3
    assert (changed[rest, 0, 89 - padding] != 0).all(), "and grows no longer"


def test_the_usual_beat_behind_the_leads_changes_with_the_gain_and_the_lead_alone() -> None:
    signal = torch.cat([beats(200), beats(200, seed=1)], 1)  # two leads, then their usual beats
    choice = standard(shift=0.5, noise=0.5, wander=0.5, jitter=0.05)
    changed = augment(signal, choice, RATE, 2)
    assert torch.equal(changed[:, 2:], signal[:, 2:]) and not torch.equal(changed[:, :2], signal[:, :2])
    scaled = augment(signal, standard(scaling=0.3), RATE, 2) / signal
    assert torch.allclose(scaled, scaled[:, :1, :1].expand_as(scaled), rtol=1e-4)
    off = (augment(signal, standard(lead_dropout=0.5), RATE, 2) == 0).all(-1)
    assert off[:, :2].any() and torch.equal(off[:, :2], off[:, 2:])


def test_spreads_are_those_of_the_beat_before_its_padding() -> None:
    padded = beats(4000, leads=1, padding=60)
    offset = augment(padded, standard(shift=0.5), RATE, 1)[..., 0] - padded[..., 0]
    assert (offset / spread(padded[..., :30])[..., 0]).std() == pytest.approx(0.5, rel=0.05)


def test_mixup_mixes_signal_features_and_labels_by_one_share() -> None:
    signal = torch.arange(64.0)[:, None, None].expand(64, 1, 5)
    features, label = torch.arange(64.0)[:, None] * 2, torch.arange(64)
    torch.manual_seed(0)
    changed = augmented(signal, features, label, standard(mixup=1.0), RATE, 1)
    (one, share), (other, rest) = changed.targets
    assert 0 < share < 1 and share + rest == pytest.approx(1)
    assert torch.equal(one, label) and sorted(other.tolist()) == label.tolist()
    expected = share * one + rest * other
    assert torch.allclose(changed.signal, expected[:, None, None].expand_as(signal), atol=1e-4)
    assert torch.allclose(changed.features, 2 * expected[:, None], atol=1e-4)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_mixup_shares_have_the_moments_of_the_beta_distribution(alpha: float) -> None:
    torch.manual_seed(0)
    shares = np.array([mix(1, alpha, torch.device("cpu"))[0] for _ in range(4000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_mixup_of_tiny_alpha_gives_shares_and_a_batch_of_one_is_not_mixed() -> None:
    shares = [mix(1, 1e-6, torch.device("cpu"))[0] for _ in range(50)]
    assert all(0 <= share <= 1 for share in shares)
    alone = beats(1)
    assert augmented(alone, torch.ones(1, 1), torch.zeros(1), standard(mixup=1.0), RATE, 2).signal is alone


def test_stretch_makes_beats_longer_and_shorter_from_their_first_sample_on() -> None:
    signal = beats(2000, 1, 187, padding=87)
    out = augment(signal, standard(stretch=0.1), RATE, 1)
    assert torch.equal(out[..., 0], signal[..., 0]), "R stays where it is"
    length = ((out != 0).any(1) * torch.arange(1, 188)).amax(-1)
    assert 88 <= length.min() < 93 and 107 < length.max() <= 110
    assert abs(length.float().mean() - 100) < 1
    assert (out.amax(-1) <= signal.amax(-1) + 1e-6).all() and (out.amin(-1) >= signal.amin(-1) - 1e-6).all()


def test_a_straight_line_stays_one_of_another_slope_under_stretch() -> None:
    signal = torch.linspace(1, 100, 100).repeat(50, 1, 1)
    out = augment(torch.nn.functional.pad(signal, (0, 40)), standard(stretch=0.2), RATE, 1)[:, 0]
    slope = out[:, 1] - out[:, 0]
    assert slope.min() < 0.9 and slope.max() > 1.1
    line = 1 + slope[:, None] * torch.arange(140)
    there = out != 0
    assert torch.allclose(out[there], line.clamp(max=100)[there], atol=1e-2)
