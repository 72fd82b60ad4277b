package output

import "slices"

// mostTerminals is how many steps of an attempt may change what they printed, which bounds the memory of a reader: 250 KB
// each. Of others, what they printed is final.
const mostTerminals = 16

// sheet is the screens of all steps of an attempt. What stands on it follows from the bytes alone, in their order, however
// they were cut into pieces.
type sheet struct {
	screens map[int]*screen
	recent  []int // those with a terminal, the one that was written last at the end
	touched []int // those that may differ from what was told
	silent  bool
}

func newSheet(silent bool) *sheet { return &sheet{screens: map[int]*screen{}, silent: silent} }

func (s *sheet) step(number int) *screen {
	found := s.screens[number]
	if found == nil {
		found = &screen{silent: s.silent, known: true}
		s.screens[number] = found
	}
	if !slices.Contains(s.touched, number) {
		s.touched = append(s.touched, number)
	}
	return found
}

// write takes the next bytes of a step.
func (s *sheet) write(step int, data []byte) error {
	to := s.step(step)
	if len(s.recent) == 0 || s.recent[len(s.recent)-1] != step {
		s.recent = slices.DeleteFunc(s.recent, func(n int) bool { return n == step })
		s.recent = append(s.recent, step)
	}
	if len(s.recent) > mostTerminals {
		oldest := s.recent[0]
		s.recent = s.recent[1:]
		if err := s.step(oldest).settle(); err != nil {
			return err
		}
	}
	return to.write(data)
}

// settle makes everything final, as nobody knows what came next.
func (s *sheet) settle() error {
	for _, number := range s.recent {
		if err := s.step(number).settle(); err != nil {
			return err
		}
	}
	s.recent = s.recent[:0]
	return nil
}

// speak ends the silence.
func (s *sheet) speak(known bool) {
	s.silent = false
	s.touched = s.touched[:0]
	for number, screen := range s.screens {
		screen.speak(known)
		if !known {
			s.touched = append(s.touched, number)
		}
	}
}

// differences gives what the browser is to be told of each step.
func (s *sheet) differences(yield func(step int, is change)) {
	slices.Sort(s.touched)
	for _, number := range s.touched {
		if is, differs := s.screens[number].difference(); differs {
			yield(number, is)
		}
	}
	s.touched = s.touched[:0]
}
