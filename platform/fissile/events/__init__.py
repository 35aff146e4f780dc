"""Events on their way: outbox, relay, bus, inbox, dead letters. Imports data, carry, contexts and below."""
