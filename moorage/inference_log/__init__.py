"""What models are asked and what they answer, on its way to Kafka."""
