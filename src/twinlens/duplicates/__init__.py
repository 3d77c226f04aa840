"""Which pictures of a collection are copies of one another, and which copy to keep."""
