"""Many runs and their reports: reproductions of published models, designs of parameter studies."""
