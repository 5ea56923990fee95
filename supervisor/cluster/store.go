// Package cluster holds the desired and observed state of one stack: an object store in the manner of a Kubernetes API
// server, and around it what the loop knows besides objects.
//
// The store has one writer, the supervisor's loop, and any number of readers. It does no I/O. Objects are immutable once
// stored: a reader may keep what it was given, and whoever changes an object stores a changed copy.
package cluster

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/supervisor/controller"
)

// Key identifies an object among all kinds. Namespace is "" for kinds that have none.
type Key struct {
	Kind      schema.GroupKind
	Namespace string
	Name      string
}

// String is Kind.group/namespace/name.
func (k Key) String() string { return k.Kind.String() + "/" + k.Namespace + "/" + k.Name }

// Config is what a Store works with. The zero value serves for tests.
type Config struct {
	// HighWater is the highest revision that an earlier store of the same instance may have given out, 0 for none.
	HighWater uint64
	// Reserve makes durable that revisions up to a number may be given out. It is called by the writer once every
	// ReserveBlock revisions, and again at the next write after an error. nil keeps nothing.
	Reserve func(upTo uint64) error
	// Now is the clock for creation timestamps; nil is time.Now.
	Now func() time.Time
	// Names makes the random part of pods' names; nil is controller.RandomNames.
	Names controller.NameSource
	// StartFirst is that of controller.View.
	StartFirst int32
}

// ReserveBlock is how many revisions are reserved at a time.
const ReserveBlock = 10_000

// Store holds objects by kind, namespace and name. Every change of any object gets the next number of one revision counter,
// which becomes the object's resourceVersion and is never given out twice, also not by a later store of the same instance
// (Config.HighWater).
type Store struct {
	reserve func(uint64) error
	now     func() time.Time

	mu       sync.RWMutex
	begin    uint64 // the revision before the first change
	revision uint64
	reserved uint64
	kinds    map[schema.GroupKind]*collection
}

// New makes an empty store.
func New(c Config) *Store {
	s := &Store{
		reserve: c.Reserve, now: c.Now, begin: c.HighWater, revision: c.HighWater, reserved: c.HighWater,
		kinds: map[schema.GroupKind]*collection{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Revision is that of the newest change of any object; Config.HighWater before the first.
func (s *Store) Revision() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.revision
}

// RevisionOf is that of the newest change of an object of a kind, 0 before the first.
func (s *Store) RevisionOf(kind schema.GroupKind) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.kinds[kind]; c != nil {
		return c.revision
	}
	return 0
}

// Get finds an object.
func (s *Store) Get(k Key) (Object, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.kinds[k.Kind]; c != nil {
		o, ok := c.objects[types.NamespacedName{Namespace: k.Namespace, Name: k.Name}]
		return o, ok
	}
	return nil, false
}

// List is every object of a kind in the order of namespace and name, and the revision that the list is of: a Watch from
// there misses nothing.
func (s *Store) List(kind schema.GroupKind) ([]Object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.collection(kind).list()), s.revision
}

// Create stores a new object on behalf of a field manager ("" records no field ownership) and returns it as stored: with a
// resourceVersion and, where it has none, a UID, a creation timestamp and generation 1. An object of that key is an
// AlreadyExists error.
func (s *Store) Create(o Object, manager string) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := KeyOf(o)
	c := s.collection(key.Kind)
	if _, there := c.objects[key.name()]; there {
		return nil, apierrors.NewAlreadyExists(resource(key.Kind), o.GetName())
	}
	o = shallow(o)
	if o.GetUID() == "" {
		o.SetUID(types.UID(uuid.NewString()))
	}
	if at := o.GetCreationTimestamp(); at.IsZero() {
		o.SetCreationTimestamp(metav1.NewTime(s.now()))
	}
	if o.GetGeneration() == 0 && hasSpec(o) {
		o.SetGeneration(1)
	}
	manage(nil, o, manager, s.now())
	s.put(c, key, o, Added)
	return o, nil
}

// Update replaces an object on behalf of a field manager and returns it as stored. An object with a resourceVersion must
// carry that of the stored one, else the error is a Conflict; one without replaces whatever is there. UID and creation
// timestamp stay those of the stored object; another UID is a Conflict too. The generation grows when anything but metadata and status
// changed. An update that changes nothing stores nothing and keeps the revision. The last finalizer taken off an object
// that is being deleted removes it.
func (s *Store) Update(o Object, manager string) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := KeyOf(o)
	c := s.collection(key.Kind)
	old, there := c.objects[key.name()]
	if !there {
		return nil, apierrors.NewNotFound(resource(key.Kind), key.Name)
	}
	if err := precondition(key, old, o.GetUID(), o.GetResourceVersion()); err != nil {
		return nil, err
	}
	o = shallow(o)
	o.SetUID(old.GetUID())
	o.SetCreationTimestamp(old.GetCreationTimestamp())
	o.SetResourceVersion(old.GetResourceVersion())
	o.SetGeneration(old.GetGeneration())
	o.SetManagedFields(old.GetManagedFields())
	if equality.Semantic.DeepEqual(old, o) {
		return old, nil
	}
	if hasSpec(o) && !sameSpec(old, o) {
		o.SetGeneration(old.GetGeneration() + 1)
	}
	manage(old, o, manager, s.now())
	if o.GetDeletionTimestamp() != nil && len(o.GetFinalizers()) == 0 && len(old.GetFinalizers()) > 0 {
		return o, s.remove(c, key, o)
	}
	s.put(c, key, o, Modified)
	return o, nil
}

// Apply creates an object, or updates the one of its key whatever its resourceVersion.
func (s *Store) Apply(o Object, manager string) (Object, error) {
	if _, there := s.Get(KeyOf(o)); !there {
		return s.Create(o, manager)
	}
	o = shallow(o)
	o.SetResourceVersion("")
	o.SetUID("")
	return s.Update(o, manager)
}

// Preconditions are what a deletion demands of the stored object; empty fields demand nothing.
type Preconditions struct {
	UID             types.UID
	ResourceVersion string
}

// Delete removes an object. One with finalizers is marked with a deletion timestamp instead, and goes with its last
// finalizer. An object that is not there is a NotFound error, one that fails the preconditions a Conflict.
func (s *Store) Delete(k Key, p Preconditions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collection(k.Kind)
	old, there := c.objects[k.name()]
	if !there {
		return apierrors.NewNotFound(resource(k.Kind), k.Name)
	}
	if err := precondition(k, old, p.UID, p.ResourceVersion); err != nil {
		return err
	}
	if len(old.GetFinalizers()) == 0 {
		return s.remove(c, k, shallow(old))
	}
	if old.GetDeletionTimestamp() == nil {
		o := shallow(old)
		at := metav1.NewTime(s.now())
		o.SetDeletionTimestamp(&at)
		s.put(c, k, o, Modified)
	}
	return nil
}

// precondition compares what a writer expects with what is stored.
func precondition(k Key, old Object, uid types.UID, version string) error {
	if uid != "" && uid != old.GetUID() {
		return apierrors.NewConflict(resource(k.Kind), k.Name, fmt.Errorf("the UID in the precondition is %s, that of the stored object %s", uid, old.GetUID()))
	}
	if version != "" && version != old.GetResourceVersion() {
		return apierrors.NewConflict(resource(k.Kind), k.Name,
			fmt.Errorf("the object has been modified (resourceVersion %s, not %s); read it again and repeat the change", old.GetResourceVersion(), version))
	}
	return nil
}

// put stores an object under the next revision. The lock is held.
func (s *Store) put(c *collection, k Key, o Object, t EventType) {
	r := s.next()
	o.SetResourceVersion(strconv.FormatUint(r, 10))
	c.put(k.name(), o, Event{Type: t, Object: o, Revision: r})
}

// remove takes an object away under the next revision. The lock is held.
func (s *Store) remove(c *collection, k Key, last Object) error {
	r := s.next()
	last.SetResourceVersion(strconv.FormatUint(r, 10))
	c.remove(k.name(), Event{Type: Deleted, Object: last, Revision: r})
	return nil
}

// next is a fresh revision. The lock is held.
func (s *Store) next() uint64 {
	s.revision++
	if s.revision > s.reserved && s.reserve != nil {
		if err := s.reserve(s.revision + ReserveBlock - 1); err == nil {
			s.reserved = s.revision + ReserveBlock - 1
		}
	}
	return s.revision
}

func (s *Store) collection(kind schema.GroupKind) *collection {
	c := s.kinds[kind]
	if c == nil {
		c = newCollection(s.begin)
		s.kinds[kind] = c
	}
	return c
}

func (k Key) name() types.NamespacedName {
	return types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
}

// collection is the objects of one kind and their latest changes.
type collection struct {
	objects map[types.NamespacedName]Object
	// sorted is the list in order, nil when it has to be made again; typed is the same in the kind's own type.
	sorted []Object
	typed  any
	// revision is that of the newest change.
	revision uint64
	window   window
}

func newCollection(begin uint64) *collection {
	return &collection{objects: map[types.NamespacedName]Object{}, window: window{begin: begin, changed: make(chan struct{})}}
}

func (c *collection) put(n types.NamespacedName, o Object, e Event) {
	_, there := c.objects[n]
	c.objects[n] = o
	c.changed(e)
	if !there || c.sorted == nil {
		c.sorted = nil
		return
	}
	i, _ := slices.BinarySearchFunc(c.sorted, n, func(o Object, n types.NamespacedName) int { return compare(nameOf(o), n) })
	c.sorted = slices.Clone(c.sorted) // readers may hold the other one
	c.sorted[i] = o
}

func (c *collection) remove(n types.NamespacedName, e Event) {
	delete(c.objects, n)
	c.sorted = nil
	c.changed(e)
}

func (c *collection) changed(e Event) {
	c.typed, c.revision = nil, e.Revision
	c.window.add(e)
}

func (c *collection) list() []Object {
	if c.sorted == nil {
		c.sorted = make([]Object, 0, len(c.objects))
		for _, o := range c.objects {
			c.sorted = append(c.sorted, o)
		}
		slices.SortFunc(c.sorted, func(a, b Object) int { return compare(nameOf(a), nameOf(b)) })
	}
	return c.sorted
}

func nameOf(o Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

func compare(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// List is every object of T's kind in the order of namespace and name. The slice is the store's own: it is not to be changed.
func List[T Object](s *Store) []T {
	kind := kindFor[T]()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collection(kind)
	if out, ok := c.typed.([]T); ok {
		return out
	}
	out := make([]T, 0, len(c.objects))
	for _, o := range c.list() {
		if t, ok := o.(T); ok {
			out = append(out, t)
		}
	}
	c.typed = out
	return out
}

// Get finds an object of T's kind; false and a nil T without one.
func Get[T Object](s *Store, namespace, name string) (T, bool) {
	o, _ := s.Get(Key{Kind: kindFor[T](), Namespace: namespace, Name: name})
	t, ok := o.(T)
	return t, ok
}

func kindFor[T Object]() schema.GroupKind { return kindOfType(reflect.TypeFor[T]()) }
