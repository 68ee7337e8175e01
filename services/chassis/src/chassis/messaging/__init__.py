"""Events over RabbitMQ: the relay that sends what was committed, the consumer that hands it to policies."""
