"""A gallery that several machines share, in a Milvus."""

from twinlens.gallery.milvus.shared import MilvusGallery

__all__ = ["MilvusGallery"]
