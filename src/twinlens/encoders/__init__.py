"""A normalised batch -> embeddings."""

from twinlens.encoders.base import Encoder
from twinlens.encoders.convcolumns import ConvColumns
from twinlens.encoders.convnet import ConvNet
from twinlens.encoders.convseries import ConvSeries
from twinlens.encoders.mlp import Mlp
from twinlens.encoders.pretrained import Pretrained
from twinlens.encoders.recurrent import Recurrent
from twinlens.encoders.stepwise import Stepwise
from twinlens.encoders.transformer import Transformer
from twinlens.encoders.weighed import Weighed
from twinlens.encoders.weighted_average import WeightedAverage

__all__ = [
    "ConvColumns",
    "ConvNet",
    "ConvSeries",
    "Encoder",
    "Mlp",
    "Pretrained",
    "Recurrent",
    "Stepwise",
    "Transformer",
    "Weighed",
    "WeightedAverage",
]
