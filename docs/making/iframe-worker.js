// Search without a server. A browser starts no worker from a folder (file://): there, this one runs the script of the
// worker in a hidden frame of the page. Nothing is asked of another machine. Elsewhere workers stay as they are.
if (location.protocol === 'file:') {
  window.Worker = class extends EventTarget {
    constructor(script) {
      super();
      this.waiting = [];
      this.frame = document.createElement('iframe');
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const inside = this.frame.contentWindow;
      // A worker's postMessage speaks to the page, that of a window to the window itself.
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent('message', { data }));
      inside.importScripts = (...scripts) =>
        scripts.reduce((before, one) => before.then(() => this.load(one)), Promise.resolve());
      this.load(script).then(() => {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach((data) => this.postMessage(data));
      });
    }

    load(script) {
      return new Promise((done, failed) => {
        const inside = this.frame.contentDocument;
        const tag = inside.createElement('script');
        tag.src = new URL(script, location.href).href;
        tag.onload = done;
        tag.onerror = failed;
        inside.body.appendChild(tag);
      });
    }

    postMessage(data) {
      if (this.waiting) {
        this.waiting.push(data);
        return;
      }
      const inside = this.frame.contentWindow;
      inside.dispatchEvent(new inside.MessageEvent('message', { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
