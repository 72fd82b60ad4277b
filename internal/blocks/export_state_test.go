package blocks

import "context"

// ForgetPlans is what Run does now and then.
func ForgetPlans(ctx context.Context, r *Rules) error { return r.forgetPlans(ctx) }
