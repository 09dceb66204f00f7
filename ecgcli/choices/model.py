"""Networks: from the signal of a beat, and what is said of it beside, to its class."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ecgcli.choices import Choice, Size


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"model.kernel_size={size}: kernel sizes must be odd")
    return size


OddKernel = Annotated[int, Field(ge=3, le=63), AfterValidator(_odd)]


class NetworkChoice(Choice):
    """What every network that reads the signal has.

    Attributes:
        fusion: how it takes in the features beside the signal (rhythm, morphology). `concat` puts them beside
            what the network has made of the signal, before the last layer; `add` lets a small network of
            their own vote in log-probability space.
        stretches: factors on the time of a beat; trained, the network answers with the mean of its
            probabilities for the beat stretched by each. None: the beat as it is. For beats that begin at R.
    """

    fusion: Literal["concat", "add"] = "concat"
    stretches: Annotated[tuple[Annotated[float, Field(ge=0.5, le=2)], ...], Field(max_length=16)] = ()


class BaselineCnn(NetworkChoice):
    """The network this project grew from: a Linear on the time axis, three Conv1d(16, k=3), two Linear."""

    name: Literal["baseline_cnn"]


class Cnn(NetworkChoice):
    """A stack of 1-D convolution blocks; every list has one entry a block, or one for all."""

    name: Literal["cnn"]
    channels: Annotated[tuple[Size, ...], Field(min_length=1, max_length=32)]
    kernel_sizes: Annotated[tuple[Size, ...], Field(min_length=1)]
    strides: Annotated[tuple[Size, ...], Field(min_length=1)]
    dilations: Annotated[tuple[Size, ...], Field(min_length=1)]
    normalisation: Literal["batch", "group", "none"]
    activation: Literal["relu", "gelu", "silu", "leaky_relu"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    pooling: Literal["average", "max", "both", "flatten"]
    residual: bool

    @model_validator(mode="after")
    def _one_entry_a_block(self) -> Cnn:
        for field in ("kernel_sizes", "strides", "dilations"):
            given = len(getattr(self, field))
            if given not in (1, len(self.channels)):
                raise ValueError(
                    f"model.{field} has {given} entries, model.channels has {len(self.channels)}: "
                    f"give one entry for all blocks or one for each"
                )
        even = [k for k in self.kernel_sizes if k % 2 == 0]
        if even:
            raise ValueError(f"model.kernel_sizes holds {even[0]}: kernel sizes must be odd")
        return self


class Resnet(NetworkChoice):
    """A residual network over time (He et al. 2016): a stem, then stages, between which the rate is halved.

    `channels` has one entry a stage, each of `blocks` blocks of two convolutions; `bins` averages over equal
    stretches of time go to the last layer.
    """

    name: Literal["resnet"]
    channels: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    blocks: Annotated[int, Field(ge=1, le=16)]
    kernel_size: OddKernel
    stem_stride: Annotated[int, Field(ge=1, le=4)]
    bins: Annotated[int, Field(ge=1, le=64)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Convnext(NetworkChoice):
    """A ConvNeXt over time (Liu et al. 2022): depthwise convolutions with long kernels, inverted bottlenecks.

    `channels` has one entry a stage, each of `blocks` blocks; `patch` samples make one step of the first
    stage; `stochastic_depth` is the chance of leaving out the last block in training; `bins` averages over
    equal stretches of time go to the last layer.
    """

    name: Literal["convnext"]
    channels: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    blocks: Annotated[int, Field(ge=1, le=16)]
    kernel_size: OddKernel
    patch: Annotated[int, Field(ge=1, le=16)]
    expansion: Annotated[int, Field(ge=1, le=8)]
    bins: Annotated[int, Field(ge=1, le=64)]
    stochastic_depth: Annotated[float, Field(ge=0, lt=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Minirocket(NetworkChoice):
    """MiniRocket (Dempster et al. 2021): a fixed transform, and a linear layer, which alone is trained.

    `features` is about the number of features that the transform gives, rounded down to a multiple of 84.
    """

    name: Literal["minirocket"]
    features: Annotated[int, Field(ge=84, le=100_000)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Mlp(Choice):
    """A multilayer perceptron over the features beside the signal; over its samples where there are none.

    `units` has one entry a hidden layer; `dropout` comes after each.
    """

    name: Literal["mlp"]
    units: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


Network = Annotated[BaselineCnn | Cnn | Resnet | Convnext | Minirocket | Mlp, Field(discriminator="name")]
