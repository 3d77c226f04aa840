"""A durable collection of templates: enrol, remove, search, identify."""

from twinlens.gallery.cipher import Cipher, write_key
from twinlens.gallery.entries import Added, Entry, Hit, Item, Space, Stats
from twinlens.gallery.gallery import Gallery, Removed
from twinlens.gallery.migration import Migration
from twinlens.gallery.transfer import export_gallery, import_gallery
from twinlens.gallery.verify import Verified

__all__ = [
    "Added",
    "Cipher",
    "Entry",
    "Gallery",
    "Hit",
    "Item",
    "Migration",
    "Removed",
    "Space",
    "Stats",
    "Verified",
    "export_gallery",
    "import_gallery",
    "write_key",
]
