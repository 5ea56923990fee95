package supervisor

// cycle is defined here.
type cycle struct{}
