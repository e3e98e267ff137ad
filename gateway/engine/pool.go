package engine

// pool lends the connections of one DuckDB instance.
type pool struct {
	db   *database
	idle chan *connection
}

// newPool keeps at most idle connections open between queries.
func newPool(db *database, idle int) *pool {
	return &pool{db: db, idle: make(chan *connection, idle)}
}

// session lends a connection to f. One whose statement failed is discarded: what an interrupt leaves behind must not meet
// the next query.
func (p *pool) session(f func(*connection) error) error {
	var c *connection
	var err error
	select {
	case c = <-p.idle:
	default:
		if c, err = p.db.connect(); err != nil {
			return err
		}
	}
	if err := f(c); err != nil {
		c.close()
		return err
	}
	select {
	case p.idle <- c:
	default:
		c.close()
	}
	return nil
}

// close closes the instance. No session may be running.
func (p *pool) close() {
	close(p.idle)
	for c := range p.idle {
		c.close()
	}
	p.db.close()
}
