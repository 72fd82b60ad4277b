package control

import "context"

// Hidden are the secrets of a claim's job, which what is told of the claim must not show. Agents of ours hide them
// themselves, before anything is sent; other systems' runners send what they see.
func (d TaskDoor) Hidden(ctx context.Context) ([]string, error) {
	var job JobRow
	err := d.p.store.Read(ctx, func(v View) error {
		attempt, err := v.Attempt(ctx, d.claim)
		if err != nil {
			return orAbsent(err, "claim", d.claim)
		}
		task, err := v.Movable(ctx, attempt.TaskID)
		if err != nil {
			return err
		}
		return v.Get(ctx, &job, task.JobID)
	})
	if err != nil {
		return nil, err
	}
	values, err := d.p.openSecrets(job)
	if err != nil {
		return nil, err
	}
	hidden := make([]string, 0, len(values))
	for _, value := range values {
		hidden = append(hidden, value)
	}
	return hidden, nil
}
