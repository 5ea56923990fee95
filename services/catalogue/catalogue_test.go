package catalogue

import (
	"io"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services/mariadb"
	"github.com/lyandev/lyandev/services/redis"
)

func TestNew(t *testing.T) {
	for _, name := range Names() {
		o, err := New(name)
		if err != nil || o == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New("postgres"); err == nil || !strings.Contains(err.Error(), "mariadb, memcached, redis") {
		t.Errorf("an unknown name gives %v", err)
	}
}

func TestEachCallMakesItsOwn(t *testing.T) {
	a, _ := New("redis")
	b, _ := New("redis")
	if a.(*redis.Operator) == b.(*redis.Operator) {
		t.Error("two stacks would share an operator")
	}
}

func TestMariaDBCanBeClosed(t *testing.T) {
	o, _ := New("mariadb")
	c, ok := o.(io.Closer)
	if _, is := o.(*mariadb.Operator); !is || !ok {
		t.Fatalf("%T is no io.Closer", o)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
