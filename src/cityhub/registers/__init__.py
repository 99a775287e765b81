"""What every register of definitions shares: versions, doors, files of the district, and the reading of the journal."""
