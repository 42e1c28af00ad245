"""What the agent asks of ``citygate-vision``, and what it is told: a closed set of words and numbers.

The two are programs of their own. A request goes there as one JSON word, an answer comes back as one line of
JSON, and nothing in an answer has room for a picture. Paths are absolute.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from agent.core.scene import Class, Scene
from agent.core.settings import Settings

PROGRAM = "citygate-vision"
ENDING = ".citymodel"
Family = Literal["yolox", "nanodet", "ssd"]
Size = tuple[int, int]  # height, width
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256, in lower-case hex digits.")]


class About(Settings):
    """What a model is: the ``[model]`` table of its file in the catalogue."""

    family: Annotated[Family, Meta(description="Which way it takes pictures and tells boxes.")]
    label: Annotated[str, Meta(description="Name for people.")]
    classes: Annotated[tuple[Class, ...], Meta(description="What it can tell.", min_length=1)]
    licence: Annotated[str, Meta(description="Licences of the weights and of what they came in.")]
    notes: Annotated[str, Meta(description="What a technician should know before choosing it.")] = ""
    size: Annotated[
        Size | None, Meta(description="Height and width it is fitted to unless somebody says otherwise.")
    ] = None


class Weights(Settings):
    """Where a model's weights come from: the ``[source]`` table of its file."""

    about: Annotated[str, Meta(description="Where they are published.")]
    sha256: Annotated[Sha256, Meta(description="SHA-256 of the package, or of the file itself.")]
    npm: Annotated[str, Meta(description="The npm package that holds them, with its version.")] = ""
    files: Annotated[
        dict[str, Sha256], Meta(description="The files wanted of it, the model first, with their SHA-256.")
    ] = field(default_factory=dict)


class Entry(Settings):
    """One model of the catalogue."""

    model: Annotated[About, Meta(description="What it is.")]
    source: Annotated[Weights, Meta(description="Where it comes from.")]


class Agreement(Struct, frozen=True, kw_only=True):
    """How far a model finds what its float reference finds, on the same pictures.

    ``recall`` and ``precision`` from 0 to 1, ``shift`` the mean change of the scores, ``boxes`` those of the
    reference; ``good`` says whether the model may be used.
    """

    recall: float
    precision: float
    shift: float
    boxes: int
    pictures: int
    good: bool
    why: str = ""


class Manifest(Struct, frozen=True, kw_only=True):
    """What a bundle says of the model in it; ``agreement`` is None while nobody has compared."""

    name: str
    about: About
    source: str
    size: Size
    int8: bool
    sha256: str
    reference_sha256: str
    agreement: Agreement | None = None
    format: int = 1


class Build(Struct, frozen=True, kw_only=True, tag="build"):
    """Make a bundle of the weights at *path* (an ONNX file, or a TensorFlow.js graph)."""

    name: str
    about: About
    source: str
    path: str
    to: str
    size: Size | None = None
    int8: bool = False
    clips: tuple[str, ...] = ()


class Install(Struct, frozen=True, kw_only=True, tag="install"):
    """Look whether the bundle at *path* is whole and runs here, compare it on *clips*, and put it *to*."""

    path: str
    to: str
    clips: tuple[str, ...] = ()


class Verify(Struct, frozen=True, kw_only=True, tag="verify"):
    """Compare an installed model with its reference on *clips*."""

    path: str
    clips: tuple[str, ...]


class Bench(Struct, frozen=True, kw_only=True, tag="bench"):
    """Measure an installed model on this computer; *clip* tells what decoding costs."""

    path: str
    clip: str = ""
    budget: float = 0.5  # of one core


class Count(Struct, frozen=True, kw_only=True, tag="count"):
    """Count a clip; ``picture`` is the width and height of the still that the scene was drawn over."""

    path: str
    clip: str
    scene: Scene
    every: int = 1
    rate: float | None = None
    picture: tuple[int, int] | None = None


Lock = Literal["disk", "calls", "landlock"]


class Trial(Struct, frozen=True, kw_only=True, tag="trial"):
    """Lock a process in that sees nothing, as if for cameras at *addresses*, and try to get out.

    *without* leaves locks away, so that somebody can see that their lack is noticed.
    """

    addresses: tuple[str, ...] = ()
    without: tuple[Lock, ...] = ()


class Tried(Struct, frozen=True, kw_only=True):
    """Which attempts to get out were made, and which worked; ``landlock``: the kernel's, 0: none."""

    acts: tuple[str, ...]
    worked: tuple[str, ...]
    landlock: int


Request = Trial | Build | Install | Verify | Bench | Count


class Refused(Struct, frozen=True):
    """Why a request was not carried out: a sentence for a person; the program's status is 1 then."""

    why: str


class Share(Struct, frozen=True, kw_only=True):
    """A number of cameras, and how many pictures a second of each the budget pays for."""

    cameras: int
    rate: float


class Cost(Struct, frozen=True, kw_only=True):
    """What a model costs here, in ms of one core; ``decode`` is for a second of video, 0: not measured."""

    analysis: float
    inference: float
    decode: float
    budget: float
    shares: tuple[Share, ...]


class Counted(Struct, frozen=True, kw_only=True):
    """What was counted in a clip; ``numbers`` stand in the order of ``Scene.counters()``."""

    seconds: float
    observed: float
    pictures: int
    numbers: tuple[float | None, ...]
