"""Who is told: messages to other systems over HTTP and MQTT."""
