package client

// Waiting is how many ends wait for a call.
func (r *Runner) Waiting() int { return r.ends.Waiting() }
