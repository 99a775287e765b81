"""Which data exist, and who shares what with whom: the district's data catalogue."""
