"""HTTP: requests, responses, routes, problem details, the live stream and the pages. Knows no room; rooms bring routes."""
