package podnet

// turn is a mutex that is held during calls of the engine. It is a channel, because in a test in virtual time (testing/synctest)
// nothing but waiting for a channel lets the time pass.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// TryLock takes the turn if nobody has it, and reports whether it did.
func (t turn) TryLock() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}
