"""The processes of the hub: each in its versions, with the decisions that it asks; from the district's folder and from its doors."""
