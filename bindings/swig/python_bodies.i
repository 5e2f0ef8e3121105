/* Bodies of large messages, in pieces that are bytes of Python's. */
%inline %{
/* Writes what finds room, without waiting: (how many bytes, why it stopped or None). */
static PyObject *producer_write_large(ra_producer *producer, PyObject *source, int64_t from)
{
    Py_buffer view;
    ra_error *error = NULL;
    size_t written = 0;
    PyObject *why, *result;

    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (from >= 0 && from <= view.len)
        ra_producer_write_large(producer, (const char *)view.buf + from, (size_t)(view.len - from), 0, &written, &error);
    PyBuffer_Release(&view);
    why = error != NULL ? make_error(error) : Py_NewRef(Py_None);
    ra_error_free(error);
    if (why == NULL)
        return NULL;
    result = Py_BuildValue("(nO)", (Py_ssize_t)written, why);
    Py_DECREF(why);
    return result;
}

/* At most room bytes; b"" at the end of the body; None when events wait. */
static PyObject *consumer_read_body(ra_consumer *consumer, ra_message *message, int64_t room, int64_t timeout_ms,
                                    int32_t flags)
{
    PyObject *piece = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);
    char *to = piece != NULL ? PyBytes_AsString(piece) : NULL;
    ra_error *error = NULL;
    size_t size = 0;
    int code;

    if (to == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    code = ra_consumer_read_body(consumer, message, to, (size_t)room, timeout_ms, flags, &size, &error);
    Py_END_ALLOW_THREADS
    if (code < 0) {
        Py_DECREF(piece);
        raise_error(error);
        return NULL;
    }
    if (code == RA_EVENTS) {
        Py_DECREF(piece);
        Py_RETURN_NONE;
    }
    _PyBytes_Resize(&piece, (Py_ssize_t)size);
    return piece;
}
%}
