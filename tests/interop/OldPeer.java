// One socket of JeroMQ 0.3.6, an independent implementation of ZMTP 2.0, driven by tests/interop/test_jeromq.py.
// java OldPeer TYPE ENDPOINT COUNT [IDENTITY]; an endpoint of "*" is bound, and its port printed.

import java.util.Arrays;
import org.zeromq.ZMQ;

public class OldPeer {
    static byte[] body(int number) {
        byte[] body = new byte[number % 50 == 49 ? 70000 : number % 300];
        Arrays.fill(body, (byte) number);
        return body;
    }

    static void send(ZMQ.Socket socket, int number) {
        socket.send(number % 2 == 0 ? "even" : "odd", ZMQ.SNDMORE);
        socket.send(Integer.toString(number), ZMQ.SNDMORE);
        socket.send(body(number), 0);
    }

    static void check(ZMQ.Socket socket, int number) {
        String kind = socket.recvStr(), text = socket.recvStr();
        if (!kind.equals(number % 2 == 0 ? "even" : "odd") || !text.equals(Integer.toString(number))
                || !Arrays.equals(socket.recv(), body(number)) || socket.hasReceiveMore()) {
            throw new RuntimeException("expected " + number + ", received " + kind + " " + text);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String type = arguments[0];
        int count = Integer.parseInt(arguments[2]);
        ZMQ.Context context = ZMQ.context(1);
        ZMQ.Socket socket = context.socket(ZMQ.class.getField(type).getInt(null));
        if (arguments.length > 3) socket.setIdentity(arguments[3].getBytes());
        if (type.equals("SUB")) socket.subscribe("even".getBytes());
        if (arguments[1].equals("*")) System.out.println(socket.bindToRandomPort("tcp://127.0.0.1"));
        else socket.connect(arguments[1]);
        for (int number = 0; number < count; number++) {
            switch (type) {
                case "REQ": case "DEALER": send(socket, number); check(socket, number); break;
                case "REP": check(socket, number); send(socket, number); break;
                case "PUSH": send(socket, number); break;
                case "PULL": check(socket, number); break;
                case "PUB": send(socket, number); Thread.sleep(1); break;
                case "SUB": check(socket, number * 2); break;
            }
        }
        System.out.println("done");
        socket.close();
        context.term();
    }
}
