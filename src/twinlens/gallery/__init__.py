"""A durable collection of templates: enrol, remove, search, identify."""

from twinlens.gallery.cipher import Cipher, write_key
from twinlens.gallery.entries import Added, Entry, Hit, Item, Removed, Space, Stats
from twinlens.gallery.gallery import Gallery
from twinlens.gallery.interface import AnyGallery
from twinlens.gallery.migration import Migration
from twinlens.gallery.milvus import MilvusGallery
from twinlens.gallery.places import MilvusPlace, create_elsewhere, open_any, require_in_folder
from twinlens.gallery.transfer import export_gallery, import_gallery
from twinlens.gallery.verify import Verified

__all__ = [
    "Added",
    "AnyGallery",
    "Cipher",
    "Entry",
    "Gallery",
    "Hit",
    "Item",
    "Migration",
    "MilvusGallery",
    "MilvusPlace",
    "Removed",
    "Space",
    "Stats",
    "Verified",
    "create_elsewhere",
    "export_gallery",
    "import_gallery",
    "open_any",
    "require_in_folder",
    "write_key",
]
