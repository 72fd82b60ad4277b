package control

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

// DemandRow is one lane with queued tasks, and all that they are held to. Allowed says that class, organization and
// project fit: access and forks. OldestAt is when the first task in line was submitted.
type DemandRow struct {
	ClassID             string `db:"class_id"`
	GroupID             string `db:"group_id"` // empty for none
	ProjectID           string `db:"project_id"`
	OrganizationID      string `db:"organization_id"`
	Queued              int    `db:"queued"`
	Allowed             bool   `db:"allowed"`
	GroupLimit          int    `db:"group_limit"`
	GroupRunning        int    `db:"group_running"`
	ProjectLimit        int    `db:"project_limit"`
	ProjectRunning      int    `db:"project_running"`
	OrganizationLimit   int    `db:"organization_limit"`
	OrganizationRunning int    `db:"organization_running"`
	ClassLimit          int    `db:"class_limit"`
	ClassRunning        int    `db:"class_running"`
	OldestAt            Micros `db:"oldest_at"`
}

// CapacityRow is what the runners of a class offer that take tasks: all their slots, and the free ones.
type CapacityRow struct {
	ClassID  string `db:"class_id"`
	Capacity int    `db:"capacity"`
	Idle     int    `db:"idle"`
}

// ScalingDoor has what a class token may ask beside registering: how much there is to do for its runners.
type ScalingDoor struct {
	p     *Plane
	class string
}

// AsScaler is the door of a class token's holder.
func (p *Plane) AsScaler(classID string) ScalingDoor { return ScalingDoor{p, classID} }

// Scaling is what an autoscaler of the token's class needs to know. Of another class it tells nothing.
func (d ScalingDoor) Scaling(ctx context.Context, name string) (remuda.Scaling, error) {
	return d.p.scalingOf(ctx, func(v View) (ClassView, error) {
		class, err := v.ClassView(ctx, d.class)
		if err == nil && class.FullName != name {
			err = remuda.Fail(remuda.Forbidden, "a class token reads the scaling of its own class alone, which is "+class.FullName)
		}
		return class, err
	})
}

// Scaling is what an autoscaler of a class needs to know. It is its owner's to see: it tells of all who use the class.
func (d UserDoor) Scaling(ctx context.Context, name string) (remuda.Scaling, error) {
	return d.p.scalingOf(ctx, func(v View) (ClassView, error) { return d.ownClass(ctx, v, name, remuda.RoleViewer) })
}

func (p *Plane) scalingOf(ctx context.Context, find func(View) (ClassView, error)) (remuda.Scaling, error) {
	var class ClassView
	var demand []DemandRow
	var capacity []CapacityRow
	now := Now()
	err := p.store.Read(ctx, func(v View) (err error) {
		if class, err = find(v); err != nil {
			return err
		}
		if demand, err = v.Demand(ctx, class.ID); err != nil {
			return err
		}
		capacity, err = v.Capacity(ctx, class.ID, now)
		return err
	})
	if err != nil {
		return remuda.Scaling{}, err
	}
	words := scaling(demand, capacity, now.Time())[class.ID]
	words.ResourceClass, words.Running = class.FullName, class.Running
	return words, nil
}

// Scalings are those of all classes in which there is anything to tell, by their names.
func (d UserDoor) Scalings(ctx context.Context) (map[string]remuda.Scaling, error) {
	if err := d.onlyAdmin("reading the scaling of all classes"); err != nil {
		return nil, err
	}
	now, named := Now(), map[string]remuda.Scaling{}
	err := d.p.store.Read(ctx, func(v View) error {
		demand, err := v.Demand(ctx, "")
		if err != nil {
			return err
		}
		capacity, err := v.Capacity(ctx, "", now)
		if err != nil {
			return err
		}
		for id, words := range scaling(demand, capacity, now.Time()) {
			class, err := v.ClassView(ctx, id)
			if err != nil {
				return err
			}
			words.ResourceClass, words.Running = class.FullName, class.Running
			named[class.FullName] = words
		}
		return nil
	})
	return named, err
}

// scaling sums up by class. What may run is what is queued, as far as each limit above it leaves room: of its group, of
// its project, of its organization, each for what is queued in this class, and of the class.
func scaling(demand []DemandRow, capacity []CapacityRow, now time.Time) map[string]remuda.Scaling {
	type part struct{ class, organization, project, group string }
	classes := map[string]remuda.Scaling{}
	inGroup, inProject, inOrganization, inClass := map[part]int{}, map[part]int{}, map[part]int{}, map[part]int{}
	for _, lane := range demand {
		words := classes[lane.ClassID]
		words.Queued += lane.Queued
		words.OldestAge = max(words.OldestAge, int(now.Sub(lane.OldestAt.Time())/time.Second))
		classes[lane.ClassID] = words
		if !lane.Allowed {
			continue
		}
		class := part{class: lane.ClassID}
		organization := part{class: lane.ClassID, organization: lane.OrganizationID}
		project := part{lane.ClassID, lane.OrganizationID, lane.ProjectID, ""}
		group := part{lane.ClassID, lane.OrganizationID, lane.ProjectID, lane.GroupID}
		// Each sum grows by as much as the one below it, up to its own limit.
		more := grow(inGroup, group, lane.Queued, lane.GroupLimit, lane.GroupRunning)
		more = grow(inProject, project, more, lane.ProjectLimit, lane.ProjectRunning)
		more = grow(inOrganization, organization, more, lane.OrganizationLimit, lane.OrganizationRunning)
		grow(inClass, class, more, lane.ClassLimit, lane.ClassRunning)
	}
	for class, runnable := range inClass {
		words := classes[class.class]
		words.Runnable = runnable
		classes[class.class] = words
	}
	for _, row := range capacity {
		words := classes[row.ClassID]
		words.Idle, words.Capacity = row.Idle, row.Capacity
		classes[row.ClassID] = words
	}
	return classes
}

// grow adds to a sum as much as a limit leaves room for, of which so many are running, and answers how much that is.
func grow[K comparable](sums map[K]int, key K, more, limit, running int) int {
	if limit > 0 {
		more = max(0, min(more, limit-running-sums[key]))
	}
	sums[key] += more
	return more
}
