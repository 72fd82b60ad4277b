package proof

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

func TestNothingIsLostWhenEverythingIsKilledOnSQLite(t *testing.T) {
	dir := newFolder(t)
	killAtAnyMoment(t, openSite(t, dir, sqlite{dir}, 1, 2), usual(length(t)))
}

// pace is how havoc goes.
type pace struct {
	long  time.Duration // for how long things are killed
	quiet time.Duration // at most, between what is killed together
	dead  time.Duration // at most, until the next of those comes back
	tasks int           // so many at once
	boot  time.Duration // what a control plane may take to answer
}

func usual(long time.Duration) pace {
	return pace{long: long, quiet: 1500 * time.Millisecond, dead: 700 * time.Millisecond, tasks: 3 * slots, boot: 30 * time.Second}
}

// killAtAnyMoment kills whatever can be killed while tasks come and go, then lets all end and looks whether all is as
// if nothing had happened.
func killAtAnyMoment(t *testing.T, s *site, p pace) {
	dice := dice(t)
	l := s.newLoad(4)
	defer l.group.Wait() // after end, however the test comes to its own
	working, end := context.WithTimeoutCause(t.Context(), p.long+3*time.Minute, errors.New("it takes too long"))
	defer end()
	l.run(working, p.tasks)
	killed := s.havoc(t, dice, p)
	orders := l.stop()
	t.Logf("killed %v and %d agents", killed, s.agentsKilled)
	v := s.conclude(t, orders, p)
	if v.states["succeeded"] < len(orders)/3 || len(killed) == 0 {
		t.Error("too little happened for this to prove anything")
	}
}

// conclude has the runners drain, ends the control planes and their database badly, and looks whether all that was
// acknowledged is there when they are up again, and nothing else is left.
func (s *site) conclude(t *testing.T, orders []*order, p pace) verdict {
	t.Helper()
	for _, u := range s.runners {
		if err := u.term(time.Minute); err != nil {
			t.Error(err)
		}
	}
	for _, u := range s.planes {
		s.door.lead(u.name, "")
		u.kill()
	}
	if err := s.database.check(); err != nil {
		t.Error(err)
	}
	until(t, p.boot, "each control plane up again", func() error {
		s.revive()
		return s.door.leadsToAll(len(s.planes))
	})
	s.answers(p.boot)
	v := s.judge(orders)
	t.Logf("%d tasks: %v; %d had more than one attempt", len(orders), v.states, v.repeated)
	if err := errors.Join(s.judgeAll(t.Context(), orders), s.whole()); err != nil {
		t.Error(err)
	}
	for _, u := range s.planes {
		if u.powered {
			u.kill()
		} else if err := u.term(time.Minute); err != nil {
			t.Error(err)
		}
	}
	s.database.end()
	for _, left := range leftovers(s.dir, v.attempts, s.before) {
		t.Errorf("left: %s", left)
	}
	return v
}

// havoc kills some of all victims together, leaves them dead for a while, and does so again until the time is over.
func (s *site) havoc(t *testing.T, dice *rand.Rand, p pace) map[string]int {
	killed := map[string]int{}
	wait := func(most time.Duration) {
		pause := time.NewTimer(time.Duration(dice.Int64N(int64(most))))
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-t.Context().Done():
		}
	}
	victims := s.victims(dice)
	for until := time.Now().Add(p.long); time.Now().Before(until) && t.Context().Err() == nil; {
		wait(p.quiet)
		var dead []victim
		for _, v := range victims {
			if dice.Float64() < v.odds {
				v.kill()
				killed[v.name]++
				dead = append(dead, v)
			}
		}
		dice.Shuffle(len(dead), func(i, j int) { dead[i], dead[j] = dead[j], dead[i] })
		for _, v := range dead {
			wait(p.dead)
			v.back()
		}
		s.revive()
		if p.boot > time.Minute && len(dead) > 0 {
			s.answers(p.boot) // what takes so long would be killed before it did anything
		}
	}
	until(t, p.boot, "each control plane up", func() error {
		s.revive()
		return s.door.leadsToAll(len(s.planes))
	})
	return killed
}

// sqlite is the database in the control plane's folder.
type sqlite struct{ dir string }

func (sqlite) arguments() []string { return nil }
func (sqlite) victims() []victim   { return nil }
func (sqlite) end()                {}

func (q sqlite) check() error {
	files, err := filepath.Glob(filepath.Join(q.dir, "data", "*.db"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("there is no database in %s", q.dir)
	}
	for _, file := range files {
		if err := integrity(file); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func integrity(file string) (err error) {
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var said string
	if err := db.QueryRow("pragma integrity_check").Scan(&said); err != nil {
		return err
	}
	var broken int
	if err := db.QueryRow("select count(*) from pragma_foreign_key_check").Scan(&broken); err != nil {
		return err
	}
	if strings.TrimSpace(said) != "ok" || broken != 0 {
		return fmt.Errorf("%s; %d references to nothing", said, broken)
	}
	return nil
}
