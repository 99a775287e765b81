"""What becomes of a rule's signals: alerts, what people do with them, what keeps them quiet, and what follows from them."""
