/*
 * Python's functions of its own, over the handles that reattach.i has made known: whole bodies, property tables and
 * batches in one call each.
 */
%{
/* By address: what is behind it is only known after the call that makes the first argument. */
static int check(int code, ra_error **error)
{
    if (code < 0)
        raise_error(*error);
    return code < 0 ? -1 : 0;
}

static int has_type(PyObject *value, int32_t *type)
{
    PyObject *mark = PyObject_GetAttrString(value, "_property_type");

    if (mark == NULL) {
        PyErr_Clear();
        return 0;
    }
    *type = (int32_t)PyLong_AsLong(mark);
    Py_DECREF(mark);
    return !PyErr_Occurred();
}

/* The type rules. Classes that carry a type of their own come before those that they derive from. */
static int32_t property_type(PyObject *value)
{
    int32_t type;

    if (value == Py_None)
        return RA_PROPERTY_NULL;
    if (PyBool_Check(value))
        return RA_PROPERTY_BOOLEAN;
    if (PyUnicode_CheckExact(value))
        return RA_PROPERTY_STRING;
    if (PyLong_CheckExact(value))
        return RA_PROPERTY_LONG;
    if (PyFloat_CheckExact(value))
        return RA_PROPERTY_DOUBLE;
    if (PyBytes_CheckExact(value))
        return RA_PROPERTY_BYTES;
    if (has_type(value, &type))
        return type;
    if (PyUnicode_Check(value))
        return RA_PROPERTY_STRING;
    if (PyLong_Check(value))
        return RA_PROPERTY_LONG;
    if (PyFloat_Check(value))
        return RA_PROPERTY_DOUBLE;
    return PyObject_CheckBuffer(value) ? RA_PROPERTY_BYTES : 0;
}

static int set_bytes(ra_message *message, const char *key, PyObject *value)
{
    ra_error *error = NULL;
    Py_buffer view;
    int code;

    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0)
        return -1;
    code = ra_message_set_bytes(message, key, view.buf, (size_t)view.len, &error);
    PyBuffer_Release(&view);
    return check(code, &error);
}

static int set_string(ra_message *message, const char *key, PyObject *value, int32_t type)
{
    ra_error *error = NULL;
    Py_ssize_t size;
    const char *text;

    if (type == RA_PROPERTY_CHAR) /* one UTF-16 unit, which alone may be half a character */
        return check(ra_message_set_char(message, key, (uint16_t)PyUnicode_ReadChar(value, 0), &error), &error);
    text = PyUnicode_AsUTF8AndSize(value, &size);
    return text == NULL ? -1 : check(ra_message_set_string(message, key, text, (size_t)size, &error), &error);
}

static int set_integer(ra_message *message, const char *key, PyObject *value, int32_t type)
{
    ra_error *error = NULL;
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);

    if (overflow != 0) {
        PyErr_Format(PyExc_OverflowError, "property %s: %R does not fit into 64 bits", key, value);
        return -1;
    }
    if (PyErr_Occurred())
        return -1;
    if (type == RA_PROPERTY_BYTE)
        return check(ra_message_set_byte(message, key, (int8_t)number, &error), &error);
    if (type == RA_PROPERTY_SHORT)
        return check(ra_message_set_short(message, key, (int16_t)number, &error), &error);
    if (type == RA_PROPERTY_INT)
        return check(ra_message_set_int(message, key, (int32_t)number, &error), &error);
    return check(ra_message_set_long(message, key, number, &error), &error);
}

static int set_property(ra_message *message, PyObject *name, PyObject *value)
{
    ra_error *error = NULL;
    const char *key;
    int32_t type = property_type(value);

    if (text_of(name, &key) < 0)
        return -1;
    switch (type) {
    case RA_PROPERTY_NULL:
        return check(ra_message_set_null(message, key, &error), &error);
    case RA_PROPERTY_BOOLEAN:
        return check(ra_message_set_boolean(message, key, value == Py_True, &error), &error);
    case RA_PROPERTY_FLOAT:
        return check(ra_message_set_float(message, key, (float)PyFloat_AsDouble(value), &error), &error);
    case RA_PROPERTY_DOUBLE:
        return check(ra_message_set_double(message, key, PyFloat_AsDouble(value), &error), &error);
    case RA_PROPERTY_STRING:
    case RA_PROPERTY_CHAR:
        return set_string(message, key, value, type);
    case RA_PROPERTY_BYTES:
        return set_bytes(message, key, value);
    case RA_PROPERTY_BYTE:
    case RA_PROPERTY_SHORT:
    case RA_PROPERTY_INT:
    case RA_PROPERTY_LONG:
        return set_integer(message, key, value, type);
    default:
        PyErr_Format(PyExc_TypeError, "property %R: %R has no type that a message can carry", name, value);
        return -1;
    }
}

static int set_properties(ra_message *message, PyObject *properties)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    if (properties == Py_None)
        return 0;
    if (!PyDict_Check(properties)) {
        PyErr_Format(PyExc_TypeError, "properties: expected a dict, got %R", properties);
        return -1;
    }
    while (PyDict_Next(properties, &at, &key, &value)) {
        int code;

        Py_INCREF(key); /* looking at a value can run anything, also what empties the dict */
        Py_INCREF(value);
        code = set_property(message, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
        if (code < 0)
            return -1;
    }
    return 0;
}

/* str: text; None: empty; otherwise anything that gives its bytes. */
static ra_message *with_body(PyObject *body)
{
    int is_text = PyUnicode_Check(body);
    ra_message *message = NULL;
    ra_error *error = NULL;
    Py_buffer view;
    int code;

    if (!is_text && body != Py_None && !PyObject_CheckBuffer(body)) {
        PyErr_Format(PyExc_TypeError, "a body is str, bytes or None, not %R", body);
        return NULL;
    }
    code = ra_message_new(is_text ? RA_MESSAGE_TEXT : body == Py_None ? RA_MESSAGE_DEFAULT : RA_MESSAGE_BYTES, &message,
                          &error);
    if (code < 0) {
        raise_error(error);
        return NULL;
    }
    if (is_text) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(body, &size);

        code = text == NULL ? -1 : check(ra_message_set_text(message, text, (size_t)size, &error), &error);
    } else if (body != Py_None && (code = PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)) == 0) {
        code = check(ra_message_set_body(message, view.buf, (size_t)view.len, &error), &error);
        PyBuffer_Release(&view);
    }
    if (code < 0) {
        ra_message_unref(message);
        return NULL;
    }
    return message;
}

static PyObject *read_property(ra_message *message, const char *key)
{
    const char *text = NULL;
    const void *bytes = NULL;
    size_t size = 0;
    int flag = 0, code = 0;
    int64_t number = 0;
    double real = 0;
    uint16_t unit = 0;
    ra_error *error = NULL;

    switch (ra_message_property_type(message, key)) {
    case RA_PROPERTY_NULL:
        Py_RETURN_NONE;
    case RA_PROPERTY_BOOLEAN:
        code = ra_message_get_boolean(message, key, &flag, &error);
        return check(code, &error) < 0 ? NULL : PyBool_FromLong(flag);
    case RA_PROPERTY_FLOAT:
    case RA_PROPERTY_DOUBLE:
        code = ra_message_get_double(message, key, &real, &error);
        return check(code, &error) < 0 ? NULL : PyFloat_FromDouble(real);
    case RA_PROPERTY_STRING:
        code = ra_message_get_string(message, key, &text, &size, &error);
        return check(code, &error) < 0 ? NULL : PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "strict");
    case RA_PROPERTY_BYTES:
        code = ra_message_get_bytes(message, key, &bytes, &size, &error);
        return check(code, &error) < 0 ? NULL : PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
    case RA_PROPERTY_CHAR:
        code = ra_message_get_char(message, key, &unit, &error);
        return check(code, &error) < 0 ? NULL : PyUnicode_FromFormat("%c", (int)unit);
    default:
        code = ra_message_get_long(message, key, &number, &error);
        return check(code, &error) < 0 ? NULL : PyLong_FromLongLong(number);
    }
}

enum { BATCH = 256 };

/* What applies to all that a call makes. */
struct header {
    PyObject *properties;
    int durable;
    int32_t priority;
    int64_t expiration, timestamp;
};

static int set_header(ra_message *message, const struct header *header)
{
    ra_error *error = NULL;
    int code = 0;

    if (header->durable)
        code = ra_message_set_durable(message, 1, &error);
    if (code == 0 && header->priority != 4)
        code = ra_message_set_priority(message, header->priority, &error);
    if (code == 0 && header->expiration != 0)
        code = ra_message_set_expiration(message, header->expiration, &error);
    if (code == 0 && header->timestamp != 0)
        code = ra_message_set_timestamp(message, header->timestamp, &error);
    return check(code, &error) < 0 ? -1 : set_properties(message, header->properties);
}

static ra_message *make_message(PyObject *body, PyObject *own_properties, const struct header *header)
{
    ra_message *message = with_body(body);

    if (message != NULL && (set_header(message, header) < 0 || set_properties(message, own_properties) < 0)) {
        ra_message_unref(message);
        message = NULL;
    }
    return message;
}

/* What a message of a batch is: one made before, a body, or (body, properties). */
static ra_message *item_message(PyObject *item, const struct header *header)
{
    PyObject *handle;
    ra_message *message;

    if (PyBytes_Check(item) || PyUnicode_Check(item) || item == Py_None)
        return make_message(item, Py_None, header);
    if (PyTuple_Check(item)) {
        if (PyTuple_Size(item) == 2)
            return make_message(PyTuple_GetItem(item, 0), PyTuple_GetItem(item, 1), header);
        PyErr_Format(PyExc_TypeError, "expected (body, properties), got %R", item);
        return NULL;
    }
    if ((handle = PyObject_GetAttrString(item, "_handle")) == NULL) {
        PyErr_Clear();
        return make_message(item, Py_None, header);
    }
    message = PyCapsule_GetPointer(handle, "ra_message");
    Py_DECREF(handle);
    return ra_message_ref(message);
}

static int32_t make_batch(PyObject *items, Py_ssize_t from, const struct header *header, ra_message **messages)
{
    Py_ssize_t count = PyList_Size(items) - from;
    int32_t made = 0;

    while (made < count && made < BATCH &&
           (messages[made] = item_message(PyList_GetItem(items, from + made), header)) != NULL)
        made++;
    return made;
}

static int32_t forget_batch(ra_producer *producer, const char *address, ra_message **messages, int32_t count,
                            ra_error **error)
{
    int32_t sent = 0;

    while (sent < count && ra_producer_send_forget(producer, address, messages[sent], error) == 0)
        sent++;
    return sent;
}
%}

%inline %{
static PyObject *session_address(ra_session *session)
{
    return PyLong_FromVoidPtr(session);
}

/* A message of its own, with everything that can be said in advance. */
static PyObject *message_make(PyObject *body, PyObject *properties, int durable, int32_t priority, int64_t expiration,
                              int64_t timestamp)
{
    struct header header = { properties, durable, priority, expiration, timestamp };
    ra_message *message = make_message(body, Py_None, &header);

    return message != NULL ? handle_new(message, "ra_message", end_ra_message) : NULL;
}

static PyObject *message_body(ra_message *message)
{
    const char *text = NULL;
    const void *bytes = NULL;
    size_t size = 0;
    ra_error *error = NULL;
    int32_t type = ra_message_type(message);

    if (type == RA_MESSAGE_TEXT) {
        if (check(ra_message_get_text(message, &text, &size, &error), &error) < 0)
            return NULL;
        return text == NULL ? Py_NewRef(Py_None) : PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "strict");
    }
    if (check(ra_message_get_body(message, &bytes, &size, &error), &error) < 0)
        return NULL;
    if (type == RA_MESSAGE_DEFAULT && size == 0)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
}

static PyObject *message_properties(ra_message *message)
{
    PyObject *all = PyDict_New();
    int32_t count = ra_message_property_count(message);

    for (int32_t i = 0; all != NULL && i < count; i++) {
        const char *key = NULL;
        ra_error *error = NULL;
        PyObject *value = NULL;

        if (check(ra_message_property_key(message, i, &key, &error), &error) == 0)
            value = read_property(message, key);
        if (value == NULL || PyDict_SetItemString(all, key, value) < 0)
            Py_CLEAR(all);
        Py_XDECREF(value);
    }
    return all;
}

/* Sends items[from:], at most BATCH of them, with tags or (first_tag 0) without. Gives how many were taken, and why it
 * stopped. */
static PyObject *producer_send_list(ra_producer *producer, const char *address, PyObject *items, int64_t from,
                                    uint64_t first_tag, PyObject *properties, int durable, int32_t priority,
                                    int64_t expiration, int64_t timestamp)
{
    struct header header = { properties, durable, priority, expiration, timestamp };
    ra_message *messages[BATCH];
    ra_error *error = NULL;
    PyObject *why = NULL, *result = NULL;
    int32_t made = make_batch(items, (Py_ssize_t)from, &header, messages), taken = -1;

    if (!PyErr_Occurred())
        taken = first_tag != 0 ? ra_producer_send_many(producer, address, messages, made, first_tag, &error)
                               : forget_batch(producer, address, messages, made, &error);
    for (int32_t i = 0; i < made; i++)
        ra_message_unref(messages[i]);
    if (PyErr_Occurred())
        return NULL;
    if (taken < 0) {
        raise_error(error);
        return NULL;
    }
    why = error != NULL ? make_error(error) : Py_NewRef(Py_None);
    ra_error_free(error);
    if (why != NULL)
        result = Py_BuildValue("(iO)", (int)taken, why);
    Py_XDECREF(why);
    return result;
}

/* What has arrived already: a list of up to max handles, at most BATCH. */
static PyObject *consumer_take_list(ra_consumer *consumer, int32_t max)
{
    ra_message *messages[BATCH];
    ra_error *error = NULL;
    int32_t count = ra_consumer_take_many(consumer, messages, max < BATCH ? max : BATCH, &error);
    PyObject *list = count >= 0 ? PyList_New(count) : NULL;

    if (count < 0)
        raise_error(error);
    for (int32_t i = 0; i < count; i++) {
        PyObject *handle = list != NULL ? handle_new(messages[i], "ra_message", end_ra_message) : NULL;

        if (handle == NULL) {
            ra_message_unref(messages[i]);
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, i, handle);
        }
    }
    return list;
}
%}
