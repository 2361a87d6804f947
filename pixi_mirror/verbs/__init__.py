"""What a user can do, one room a verb; each takes plain values and answers with a result to be rendered."""
